# Clicks of one partition come in any order. Each lands in its own window, and a window's rows appear when the
# watermark has passed its end, no sooner.
at 12:00:30
0: /a@12:00:05 /b@12:00:20 /a@12:00:01
watermark 12:00:10
table

at 12:01:20
0: /b@12:01:08 /a@12:00:59 /a@12:01:02
watermark 12:00:58
table

0: /a@12:01:11
watermark 12:01:01
table
  12:00 /a 3
  12:00 /b 1

at 12:02:20
0: /b@12:02:12
watermark 12:02:02
table
  12:00 /a 3
  12:00 /b 1
  12:01 /a 2
  12:01 /b 1
