"""The models: made anew, compared, promoted and taken back."""
