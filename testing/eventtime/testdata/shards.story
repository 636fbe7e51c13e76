# The pages of a window are spread over shards, and the rows are the same.
shards 4
partitions 2
at 12:00:50
0: 5*/a@12:00:10 3*/b@12:00:20 /c@12:00:30
1: 2*/a@12:00:40 /d@12:00:45 /e@12:00:46
watermark 12:00:20
at 12:01:30
0: /a@12:01:20
1: /a@12:01:20
watermark 12:01:10
table
  12:00 /a 7
  12:00 /b 3
  12:00 /c 1
  12:00 /d 1
  12:00 /e 1
# Late for one shard alone.
0: /b@12:00:59
watermark 12:01:10
finally
  12:00 /a 7
  12:00 /b 4
  12:00 /c 1
  12:00 /d 1
  12:00 /e 1
  12:01 /a 2
