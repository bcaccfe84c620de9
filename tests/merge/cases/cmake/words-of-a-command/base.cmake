add_executable(shop a.c b.c)
