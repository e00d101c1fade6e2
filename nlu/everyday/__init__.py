"""What the customers of every trade write, in English: sums, numbers, dates, phone numbers, e-mail addresses."""
