module webloop

go 1.21
