"""The demo shop's custom actions, written with rasa-sdk. Put your own in their place."""
