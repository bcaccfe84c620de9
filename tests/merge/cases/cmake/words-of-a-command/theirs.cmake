add_executable(shop a.c c.c)
