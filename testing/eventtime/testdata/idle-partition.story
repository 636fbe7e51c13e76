# A partition that is caught up and silent for the idle timeout is left out of the watermark. When it wakes up, its
# clicks are late, and counted while their window is not final.
partitions 2
at 12:00:10
0: /a@12:00:05
1: /a@12:00:06
watermark 11:59:55

at 12:00:35
0: /a@12:00:30
watermark 11:59:56   # partition 1 has been silent for 25 s

at 12:00:40
watermark 12:00:20   # and now for 30 s

at 12:01:30
0: /a@12:01:15
watermark 12:01:05
table
  12:00 /a 3

1: /b@12:00:50
watermark 12:01:05

# Awake, it holds the watermark again.
0: /a@12:01:50
watermark 12:01:05

# All partitions silent: the watermark follows the wall clock less the delay, and the windows close.
at 12:02:30
watermark 12:02:20
table
  12:00 /a 3
  12:01 /a 2
finally
  12:00 /a 3
  12:00 /b 1
  12:01 /a 2
