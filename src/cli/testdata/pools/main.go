// Keeps pools of libraries, each with connections that were given back and connections that are
// borrowed for good, and prints the descriptors of both, for a test that asks a tool which of them
// are free. Told to, it lets others borrow and give back all the while. The servers are its own:
// they speak as much of their protocols as the clients need.
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

const idle, borrowed = 3, 2

// One pool: what it is called, and what fills it and says how it is used from then on.
type kind struct {
	name string
	fill func(k *keeper) (use func())
}

var kinds []kind

// Notes which connections came to a server, by the client's port.
type keeper struct {
	name   string
	mu     sync.Mutex
	server int // its port: connections to several may be from one and the same
	ports  []int
	gates  map[string]chan bool
	seen   map[string]int // ports by what was asked
}

// The number of the client's descriptor.
func (k *keeper) descriptor(port int) int {
	for fd := 3; fd < 8192; fd++ {
		local, err := syscall.Getsockname(fd)
		if err != nil {
			continue
		}
		peer, err := syscall.Getpeername(fd)
		if err != nil {
			continue
		}
		one, ok := local.(*syscall.SockaddrInet4)
		other, connected := peer.(*syscall.SockaddrInet4)
		if ok && connected && one.Port == port && other.Port == k.server {
			return fd
		}
	}
	panic(fmt.Sprint("no descriptor has port ", port))
}

func (k *keeper) say(what string, port int) { fmt.Println(k.name, what, k.descriptor(port)) }

func (k *keeper) serves(l net.Listener) { k.server = l.Addr().(*net.TCPAddr).Port }

// Serves connections one by one, and returns where.
func (k *keeper) listen(serve func(net.Conn)) string {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	must(err)
	k.serves(l)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			k.mu.Lock()
			k.ports = append(k.ports, c.RemoteAddr().(*net.TCPAddr).Port)
			k.mu.Unlock()
			go func() {
				defer c.Close()
				serve(c)
			}()
		}
	}()
	return l.Addr().String()
}

// For pools whose connections are borrowed one by one, each while the others still are: the first
// ones are given back.
func (k *keeper) borrow(take func() (giveBack func())) {
	var back []func()
	for i := 0; i < idle+borrowed; i++ {
		back = append(back, take())
	}
	// A connection is there before its server knows.
	for k.mu.Lock(); len(k.ports) < idle+borrowed; k.mu.Lock() {
		k.mu.Unlock()
		time.Sleep(time.Millisecond)
	}
	defer k.mu.Unlock()
	if len(k.ports) != idle+borrowed {
		panic(fmt.Sprint(k.name, " has ", len(k.ports), " connections"))
	}
	for i, giveBack := range back {
		if i < idle {
			giveBack()
			k.say("idle", k.ports[i])
		} else {
			kept = append(kept, giveBack)
			k.say("borrowed", k.ports[i])
		}
	}
}

var kept []any

// What a server does with a request that is to wait: notes whose it is, and waits for its turn.
func (k *keeper) hold(name string, port int) {
	k.mu.Lock()
	if k.gates == nil {
		k.gates, k.seen = map[string]chan bool{}, map[string]int{}
	}
	gate := make(chan bool)
	k.gates[name], k.seen[name] = gate, port
	k.mu.Unlock()
	<-gate
}

// For pools that lend a connection only while a request is under way: `ask` does one that the
// server holds; the first ones are answered.
func (k *keeper) ask(ask func(name string)) {
	var done []chan bool
	names := func(i int) string { return fmt.Sprint("hold", i) }
	for i := 0; i < idle+borrowed; i++ {
		end := make(chan bool)
		done = append(done, end)
		go func(name string) {
			ask(name)
			close(end)
		}(names(i))
		for k.port(names(i)) == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	for i := 0; i < idle+borrowed; i++ {
		port := k.port(names(i))
		if i >= idle {
			k.say("borrowed", port)
			continue
		}
		k.mu.Lock()
		close(k.gates[names(i)])
		k.mu.Unlock()
		<-done[i]
		k.say("idle", port)
	}
}

func (k *keeper) port(name string) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.seen[name]
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	var uses []func()
	for _, one := range kinds {
		uses = append(uses, one.fill(&keeper{name: one.name}))
	}
	// What gives back may do so a moment later.
	time.Sleep(100 * time.Millisecond)
	fmt.Println("ready", 0)
	bufio.NewReader(os.Stdin).ReadString('\n')
	for _, use := range uses {
		for i := 0; i < 2; i++ {
			go func(use func()) {
				for {
					use()
					time.Sleep(100 * time.Microsecond)
				}
			}(use)
		}
	}
	fmt.Println("used", 0)
	select {}
}
