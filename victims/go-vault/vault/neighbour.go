package vault

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync"
)

// Neighbour fetches secrets from a vault.
type Neighbour struct {
	Path  string
	Fixed bool

	mutex sync.Mutex
	known string
	again []net.Conn
}

// Fetch is the present secret.
func (n *Neighbour) Fetch(name string) (string, error) {
	conn, err := n.dial()
	if err != nil {
		return "", err
	}
	defer conn.Close()
	return ask(conn, "GET "+name)
}

// Probe asks for something that is not ours.
func (n *Neighbour) Probe(name string) error {
	_, err := n.Fetch(name)
	return err
}

// Renew asks for a newer secret, to be asked for again when there is none.
func (n *Neighbour) Renew(name string) error {
	conn, err := n.dial() // LEAK[opened]: vault-client
	if err != nil {
		return err
	}
	secret, err := ask(conn, "NEW "+name) // LEAK[used]: vault-client
	if err != nil {
		conn.Close()
		return err
	}
	n.mutex.Lock()
	defer n.mutex.Unlock()
	if secret == n.known && !n.Fixed {
		n.again = append(n.again, conn)
		return nil
	}
	n.known = secret
	return conn.Close()
}

func (n *Neighbour) dial() (net.Conn, error) { return net.Dial("unix", n.Path) }

func ask(conn net.Conn, line string) (string, error) {
	if _, err := fmt.Fprintln(conn, line); err != nil {
		return "", err
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	return strings.TrimSpace(answer), err
}
