// Package till sells: it takes cards, and prints receipts.
package till

import "fmt"

// Till sells.
type Till struct {
	terminal string
	receipts chan string
	fixed    bool
}

// Open gives a till with a printer.
func Open(terminal string, fixed bool) *Till {
	t := &Till{terminal: terminal, receipts: make(chan string, 4), fixed: fixed}
	go t.print()
	return t
}

// print puts receipts on paper while there is some.
func (t *Till) print() {
	paper := 3
	for receipt := range t.receipts {
		if paper == 0 && !t.fixed {
			return // the lamp blinks, and nobody looks
		}
		paper = max(0, paper-len(receipt)%2)
	}
}

// Sell takes the card's money, gives a receipt to those who ask, and settles.
func (t *Till) Sell(n int, receipt bool) error {
	card, err := connect(t.terminal) // LEAK[opened,used,held]: till-receipt
	if err != nil {
		return err
	}
	defer card.close()                                            // LEAK[closed,used,held]: till-receipt
	if err := card.ask(fmt.Sprintf("CHARGE %d", n)); err != nil { // LEAK[used,held]: till-receipt
		return err
	}
	if receipt {
		t.receipts <- fmt.Sprintf("receipt %d", n) // LEAK[held]: till-receipt
	}
	return card.ask(fmt.Sprintf("SETTLE %d", n))
}
