# A partition that never had a click holds the watermark for the idle timeout, and not for ever.
partitions 2
at 12:00:10
0: /a@12:00:05
watermark -
at 12:00:39
0: /a@12:00:36
watermark -
at 12:00:40
watermark 12:00:26
at 12:01:20
0: /a@12:01:15
watermark 12:01:05
table
  12:00 /a 2
finally
  12:00 /a 2
  12:01 /a 1
