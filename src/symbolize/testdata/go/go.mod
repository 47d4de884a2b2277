module example/names

go 1.18
