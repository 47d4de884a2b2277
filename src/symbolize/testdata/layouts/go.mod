module example/layouts

go 1.18
