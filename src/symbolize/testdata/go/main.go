// Prints stacks twice, for the test that compares them: as frame pointers give them, and as Go's own
// runtime names them. Lines of the output:
//
//	map <the line of /proc/self/maps that holds the code>
//	stack <return addresses, innermost first>
//	frame <function> <file> <line>             (of the stack above, innermost first)
//	pc <address> <function> <file> <line>      (innermost frame at many other addresses)
package main

import (
	"bufio"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"sort"
	"strings"
	"unsafe"

	"example/names/store"
)

var out = bufio.NewWriter(os.Stdout)

// callerFramePointer is written in assembly: the frame pointer of its caller.
func callerFramePointer() uintptr

//go:noinline
func collect() int {
	var stack []string
	frame := callerFramePointer()
	for i := 0; i < 64 && frame != 0; i++ {
		ret := *(*uintptr)(unsafe.Pointer(frame + 8))
		if ret == 0 {
			break
		}
		stack = append(stack, fmt.Sprintf("%x", ret))
		frame = *(*uintptr)(unsafe.Pointer(frame))
	}
	var buffer [64]uintptr
	n := runtime.Callers(2, buffer[:])
	fmt.Fprintln(out, "stack", strings.Join(stack, " "))
	frames := runtime.CallersFrames(buffer[:n])
	for {
		frame, more := frames.Next()
		fmt.Fprintln(out, "frame", strings.ReplaceAll(frame.Function, " ", "_"), frame.File, frame.Line)
		if !more {
			return n
		}
	}
}

func inlinedTwice(x int) int { return inlinedOnce(x) + 1 }
func inlinedOnce(x int) int  { return collect() + x }

type shape interface{ area() int }
type square struct{ inner }
type inner struct{ side int }

func (i inner) area() int { return collect() * i.side }

//go:noinline
func through(s shape) int { return s.area() }

func generic[T any](value T, use func(T) int) int { return use(value) + collect() }

//go:noinline
func faults(m map[string]int, key string) {
	m[key] = 1
}

func deferred() {
	defer func() {
		if recover() != nil {
			collect()
		}
	}()
	faults(nil, "x")
}

func divides(by int) {
	defer func() {
		recover()
		collect()
	}()
	fmt.Fprintln(out, "#", 1/by)
}

type byLength []string

func (b byLength) Len() int           { return len(b) }
func (b byLength) Less(i, j int) bool { collect(); return len(b[i]) < len(b[j]) }
func (b byLength) Swap(i, j int)      { b[i], b[j] = b[j], b[i] }

func run() {
	through(square{inner{3}})
	through(&square{inner{4}})
	generic(1, func(i int) int { return i + collect() })
	generic("x", func(s string) int { return len(s) + collect() })
	deferred()
	divides(0)
	store.Visit(func() { collect() })
	sort.Sort(byLength{"aaa", "b", "cc", "dddd", "e"})
	strings.Map(func(r rune) rune { collect(); return r }, "ab")
	for i := 0; i < 2; i++ {
		func() { inlinedTwice(i) }()
	}
	done := make(chan int)
	go func() { done <- collect() }()
	<-done
}

func entry(f interface{}) uintptr { return reflect.ValueOf(f).Pointer() }

func printPCs(from, to, step uintptr) {
	for pc := from; pc < to; pc += step {
		frame, _ := runtime.CallersFrames([]uintptr{pc}).Next()
		if frame.Function != "" {
			fmt.Fprintf(out, "pc %x %s %s %d\n", pc, strings.ReplaceAll(frame.Function, " ", "_"), frame.File, frame.Line)
		}
	}
}

func main() {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		panic(err)
	}
	for _, line := range strings.Split(string(maps), "\n") {
		if strings.Contains(line, "/") && strings.Contains(line, " r-xp ") {
			fmt.Fprintln(out, "map", line)
			break
		}
	}
	run()
	start := entry(run)
	printPCs(start&^0xfff, start+0x2000, 7)
	for _, f := range []interface{}{fmt.Fprintf, strings.Split, sort.Sort, os.ReadFile} {
		printPCs(entry(f)+1, entry(f)+0x400, 5)
	}
	out.Flush()
}
