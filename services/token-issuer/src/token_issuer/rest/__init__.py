"""The `/2010-04-01` resources, one file each."""
