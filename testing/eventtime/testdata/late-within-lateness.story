# A click whose window has fired, but is not final yet, is counted: the window fires again with all it has. Prism
# keeps that for when the window becomes final, five minutes after its end; other runners fire at once.
at 12:02:00
0: 3*/a@12:00:30 /b@12:01:30
watermark 12:01:20
table
  12:00 /a 3

0: /a@12:00:45 /c@12:00:46
watermark 12:01:20

# The last instant: the window ends at 12:01 and is final at 12:06.
at 12:06:30
0: /d@12:06:09.999
watermark 12:05:59.999
0: /a@12:00:59.999
watermark 12:05:59.999
rejected too_late 0

at 12:06:31
0: /d@12:06:10.001
watermark 12:06:00.001
table
  12:00 /a 5
  12:00 /c 1
  12:01 /b 1
