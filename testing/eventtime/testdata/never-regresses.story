# The watermark never goes back: not for an old click, not for a partition that wakes up, not for a clock that does.
partitions 2
at 12:00:10
0: /a@12:00:05
1: /a@12:00:08
watermark 11:59:55
0: /a@11:58:00
watermark 11:59:55
at 12:01:00
watermark 12:00:50   # both idle: the wall clock
1: /b@12:00:20
watermark 12:00:50
at 12:00:00          # the clock jumps back
0: /a@12:00:21
watermark 12:00:50
at 12:01:01
0: /a@12:01:02
1: /b@12:01:03
watermark 12:00:52
table
  11:58 /a 1
finally
  11:58 /a 1
  12:00 /a 3
  12:00 /b 1
  12:01 /a 1
  12:01 /b 1
