// Groups the goroutines of a dump by gostackparse, the fastest public parser of them that was found:
// what unclosed is measured beside.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"

	"github.com/DataDog/gostackparse"
)

func main() {
	file, err := os.Open(os.Args[1])
	if err != nil {
		panic(err)
	}
	goroutines, errs := gostackparse.Parse(bufio.NewReaderSize(file, 1<<20))
	groups := map[string]int{}
	var key []byte
	frame := func(one *gostackparse.Frame) {
		key = append(append(append(key, one.Func...), 0), one.File...)
		key = strconv.AppendInt(append(key, ':'), int64(one.Line), 10)
	}
	for _, one := range goroutines {
		key = append(key[:0], one.State...)
		for _, call := range one.Stack {
			frame(call)
		}
		if one.CreatedBy != nil {
			frame(one.CreatedBy)
		}
		groups[string(key)]++
	}
	fmt.Println(len(goroutines), len(groups), len(errs))
}
