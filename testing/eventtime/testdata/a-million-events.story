# A million clicks of one page in one window, in several bundles, and one more that is late.
at 12:00:50
0: 400000*/a@12:00:40
watermark 12:00:30
0: 600000*/a@12:00:50
watermark 12:00:40
at 12:01:30
0: /b@12:01:20
watermark 12:01:10
table
  12:00 /a 1000000
0: /a@12:00:01
watermark 12:01:10
finally
  12:00 /a 1000001
  12:01 /b 1
