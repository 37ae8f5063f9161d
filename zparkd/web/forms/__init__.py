"""The forms of what is asked and answered over HTTP, and the document that says them."""
