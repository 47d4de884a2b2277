// Package desk takes orders: it reserves stock, and asks for approval of what is expensive.
package desk

import (
	"errors"
	"fmt"
	"time"
)

var errLate = errors.New("no approval in time")

// Desk takes orders.
type Desk struct {
	stock string
	fixed bool
}

// New gives a desk that reserves at this address.
func New(stock string, fixed bool) *Desk { return &Desk{stock: stock, fixed: fixed} }

// Order reserves what is ordered, and books it when it may be bought.
func (d *Desk) Order(n int, expensive bool) error {
	link, err := dial(d.stock) // LEAK[opened,used,held]: approval-never
	if err != nil {
		return err
	}
	defer link.close()                                             // LEAK[closed,used,held]: approval-never
	if err := link.ask(fmt.Sprintf("RESERVE %d", n)); err != nil { // LEAK[used,held]: approval-never
		return err
	}
	if expensive {
		if err := d.await(request(n)); err != nil { // LEAK[used,held]: approval-never
			return err
		}
	}
	return link.ask(fmt.Sprintf("BOOK %d", n))
}

// request asks for an approval of a department that was closed last year: nobody answers.
func request(int) <-chan bool {
	answer := make(chan bool)
	return answer
}

func (d *Desk) await(answer <-chan bool) error {
	if !d.fixed {
		<-answer // LEAK[held]: approval-never
		return nil
	}
	select {
	case <-answer:
		return nil
	case <-time.After(200 * time.Millisecond):
		return errLate
	}
}
