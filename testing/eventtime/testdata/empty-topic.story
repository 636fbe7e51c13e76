# Nothing is read, nothing is written, and the watermark goes on with the wall clock.
partitions 3
at 12:00:00
watermark -
at 12:00:30
watermark 12:00:20
at 12:10:00
watermark 12:09:50
table
