// Goroutines that never rest: each goes through two paths of calls, over and over, with sleeps that
// end while somebody reads them, stacks that grow and shrink, and a collector that moves them.
package main

import (
	"fmt"
	"runtime"
	"time"
)

func rest(i int) { time.Sleep(time.Duration(200+i%3800) * time.Microsecond) }

//go:noinline
func left(i int) { rest(i) }

//go:noinline
func leftOuter(i int) { left(i) }

//go:noinline
func right(i int) {
	var room [1500]byte
	room[i%1500] = 1
	rest(i + int(room[(i+1)%1500]))
}

//go:noinline
func rightOuter(i int) { right(i) }

func churn(i int) {
	for {
		leftOuter(i)
		rightOuter(i)
	}
}

func main() {
	for i := 0; i < 2000; i++ {
		go churn(i)
	}
	fmt.Println("ready and running")
	for {
		runtime.GC()
		time.Sleep(20 * time.Millisecond)
	}
}
