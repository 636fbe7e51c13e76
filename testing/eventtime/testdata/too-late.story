# A click of a final window is rejected by the reader, with the reason; the runner never gets to drop it.
at 12:06:10
0: /a@12:00:30 /d@12:06:10
watermark 12:06:00
table
  12:00 /a 1

# 12:00 to 12:01 is final at 12:06, to the millisecond; 12:01 to 12:02 is not.
0: /a@12:00:59.999 /b@12:01:00
watermark 12:06:00
rejected too_late 1

# What makes a window final takes effect with the next bundle: within this one, the click still counts.
at 12:07:30
0: /e@12:07:30 /b@12:01:10
watermark 12:07:20
0: /b@12:01:20
watermark 12:07:20
rejected too_late 2
table
  12:00 /a 1
  12:01 /b 2
  12:06 /d 1
finally
  12:00 /a 1
  12:01 /b 2
  12:06 /d 1
  12:07 /e 1
