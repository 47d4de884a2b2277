// Package orders takes orders against the stock.
package orders

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// ErrSoldOut says that there are fewer articles than were ordered.
var ErrSoldOut = errors.New("sold out")

type Order struct {
	Item, Quantity int
}

type Desk struct {
	db    *sql.DB
	fixed bool
}

func NewDesk(db *sql.DB, fixed bool) *Desk { return &Desk{db: db, fixed: fixed} }

// Available is how many of the item are in stock.
func (d *Desk) Available(ctx context.Context, item int) (int, error) {
	tx, err := d.begin(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return 0, err
	}
	defer tx.Rollback()
	return stockOf(ctx, tx, item)
}

// Place books the order and returns its number.
func (d *Desk) Place(ctx context.Context, order Order) (int64, error) {
	tx, err := d.begin(ctx, nil) // LEAK[borrowed,opened]: orders-tx
	if err != nil {
		return 0, err
	}
	stock, err := stockOf(ctx, tx, order.Item) // LEAK[used]: orders-tx
	if err != nil {
		tx.Rollback()
		return 0, err
	}
	if stock < order.Quantity {
		if d.fixed {
			tx.Rollback()
		}
		return 0, fmt.Errorf("item %d: %w", order.Item, ErrSoldOut) // the transaction stays open
	}
	number, err := insert(ctx, tx, order)
	if err != nil {
		tx.Rollback()
		return 0, err
	}
	return number, tx.Commit() // LEAK[closed]: orders-tx
}
