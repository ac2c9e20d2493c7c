"""The events' description: an AsyncAPI document, their schemas, and a page to read it offline."""
