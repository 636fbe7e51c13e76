# One click, and silence: its window closes after the idle timeout.
at 12:00:10
0: /only@12:00:10
watermark 12:00:00
at 12:00:39
watermark 12:00:00
table
at 12:01:10
watermark 12:01:00
table
  12:00 /only 1
