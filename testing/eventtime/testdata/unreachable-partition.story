# A silent partition whose broker does not answer, or that has records that do not arrive, is not idle: it may be
# filling up unseen, and passing it by would make its clicks late.
partitions 2
at 12:00:10
0: /a@12:00:05
1: /b@12:00:05
watermark 11:59:55
behind 1
at 12:10:00
0: /a@12:09:50
watermark 11:59:55
1: /b@12:00:40
watermark 12:00:30
rejected too_late 0
reached 1
at 12:10:30
watermark 12:10:20   # now both are caught up and silent
table
  12:00 /a 1
  12:00 /b 2
  12:09 /a 1
