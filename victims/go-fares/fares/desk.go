// Package fares knows what a ride costs.
package fares

import (
	"errors"
	"strconv"
	"strings"
)

// ErrSoldOut says that no cheap seat is left.
var ErrSoldOut = errors.New("sold out")

// Desk answers what customers ask.
type Desk struct {
	Pool  *Pool
	Fixed bool
}

// Single is the price of one seat.
func (d *Desk) Single(train string) (float64, error) {
	line := d.Pool.take()
	defer d.Pool.put(line)
	return price(line, train)
}

// Group is the price of many seats.
func (d *Desk) Group(train string, seats int) (float64, error) {
	line := d.Pool.take()
	defer d.Pool.put(line)
	each, err := price(line, train)
	return each * float64(seats) * 0.9, err
}

// Saver is the price of one of the few cheap seats.
func (d *Desk) Saver(train string) (float64, error) {
	line := d.Pool.take()           // LEAK[borrowed]: fares-saver
	full, err := price(line, train) // LEAK[used]: fares-saver
	if err != nil {
		d.Pool.put(line)
		return 0, err
	}
	if full > 100 {
		if d.Fixed {
			d.Pool.put(line)
		}
		return 0, ErrSoldOut // and the line with it
	}
	d.Pool.put(line)
	return full / 2, nil
}

func price(line *Line, train string) (float64, error) {
	answer, err := line.Ask("GET %s", train)
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(strings.TrimPrefix(answer, "PRICE "), 64)
}
