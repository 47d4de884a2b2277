// Package invoices sums up what customers ordered.
package invoices

import (
	"context"
	"database/sql"
)

// Desk writes invoices.
type Desk struct {
	DB    *sql.DB
	Fixed bool
}

// Total is what one customer owes.
func (d *Desk) Total(ctx context.Context, customer int) (total int64, err error) {
	err = d.DB.QueryRowContext(ctx, "SELECT $1::bigint * 100", customer).Scan(&total)
	return total, err
}

// Print sums up the orders of a customer, line by line.
func (d *Desk) Print(ctx context.Context, customer int) (int64, error) {
	if d.Fixed {
		return d.printAfterwards(ctx, customer)
	}
	rows, err := d.DB.QueryContext(ctx, orders, customer) // LEAK[used,held]: invoices-nested
	if err != nil {
		return 0, err
	}
	defer rows.Close() // LEAK[held,closed]: invoices-nested
	var total int64
	for rows.Next() {
		var order int
		if err := rows.Scan(&order); err != nil {
			return 0, err
		}
		price, err := d.price(ctx, order) // LEAK[held]: invoices-nested
		if err != nil {
			return 0, err
		}
		total += price
	}
	return total, rows.Err()
}

func (d *Desk) printAfterwards(ctx context.Context, customer int) (int64, error) {
	rows, err := d.DB.QueryContext(ctx, orders, customer)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	var all []int
	for rows.Next() {
		var order int
		if err := rows.Scan(&order); err != nil {
			return 0, err
		}
		all = append(all, order)
	}
	if err := rows.Close(); err != nil {
		return 0, err
	}
	var total int64
	for _, order := range all {
		price, err := d.price(ctx, order)
		if err != nil {
			return 0, err
		}
		total += price
	}
	return total, nil
}

const orders = "SELECT $1::int + n FROM generate_series(1, 400) AS n"

func (d *Desk) price(ctx context.Context, order int) (price int64, err error) {
	err = d.DB.QueryRowContext(ctx, "SELECT $1::bigint * 7", order).Scan(&price) // LEAK[held]: invoices-nested
	return price, err
}
