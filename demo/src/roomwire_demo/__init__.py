"""An example application server on the stock helper library, with a page on the stock SDK."""
