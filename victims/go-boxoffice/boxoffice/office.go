// Package boxoffice keeps seats for those who ask.
package boxoffice

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// Office reserves seats.
type Office struct {
	DB    *sql.DB
	Fixed bool
}

// Seat is one that was reserved, and what it costs.
type Seat struct {
	Number int
	Price  int64
	Err    error
}

const patience = 60 * time.Millisecond

var errLate = errors.New("the reservation took too long")

// Reserve asks for a seat and waits a moment for it.
func (o *Office) Reserve(ctx context.Context, number int, busy bool) (Seat, error) {
	answer := make(chan Seat)
	if o.Fixed {
		answer = make(chan Seat, 1)
	}
	go o.hold(ctx, number, busy, answer)
	select {
	case seat := <-answer:
		return seat, seat.Err
	case <-time.After(patience):
		return Seat{}, errLate
	}
}

func (o *Office) hold(ctx context.Context, number int, busy bool, answer chan<- Seat) {
	tx, err := o.DB.BeginTx(ctx, nil)
	if err != nil {
		answer <- Seat{Err: err}
		return
	}
	defer tx.Rollback()                          // LEAK[closed]: boxoffice-answer
	price, err := priceOf(ctx, tx, number, busy) // LEAK[used]: boxoffice-answer
	if err != nil {
		answer <- Seat{Err: err}
		return
	}
	answer <- Seat{Number: number, Price: price} // LEAK[held,used]: boxoffice-answer
	_ = tx.Commit()
}

// While much is sold the database has to wait for others.
func priceOf(ctx context.Context, tx *sql.Tx, number int, busy bool) (price int64, err error) {
	delay := 0.001
	if busy {
		delay = 0.12
	}
	err = tx.QueryRowContext(ctx, "SELECT $1::bigint * 100 FROM pg_sleep($2)", number, delay).Scan(&price)
	return price, err
}
