add_executable(store a.c c.c)
