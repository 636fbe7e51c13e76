# A click of the future is rejected, and does not carry the watermark with it: its record's time plus the clock
# skew is as far as it may lie ahead.
at 12:00:00
0: /a@12:00:00 /b@12:05:00.001
watermark 11:59:50
rejected future_timestamp 1
0: /b@12:05:00
watermark 12:04:50
rejected future_timestamp 1
table
  12:00 /a 1
finally
  12:00 /a 1
  12:05 /b 1
