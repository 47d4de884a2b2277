module example.org/parked

go 1.21
