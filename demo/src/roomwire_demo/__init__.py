"""An example application server on the stock `twilio` package, with a web page on the stock `twilio-video` SDK. Made to be copied from."""
