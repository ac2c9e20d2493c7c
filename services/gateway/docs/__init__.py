"""The API's description: one OpenAPI document from all services, and a page to read it offline."""
