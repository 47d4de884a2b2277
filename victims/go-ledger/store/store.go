// Package store reads the ledger's tables.
package store

import (
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// ErrNone says that the account has nothing of the kind asked for.
var ErrNone = errors.New("none")

type Transfer struct {
	ID     int    `json:"id"`
	Amount int    `json:"amount"`
	Note   string `json:"note"`
}

type Invoice struct {
	ID     int    `json:"id"`
	Amount int    `json:"amount"`
	Text   string `json:"text"`
}

type Store struct {
	db    *sql.DB
	fixed bool
}

func New(db *sql.DB, fixed bool) *Store { return &Store{db: db, fixed: fixed} }

// query runs every statement of the store, so that failures name their statement and slow ones are seen.
func (s *Store) query(name, statement string, arguments ...any) (*sql.Rows, error) {
	started := time.Now()
	rows, err := s.db.Query(statement, arguments...)
	if err != nil {
		return nil, fmt.Errorf("%s after %v: %w", name, time.Since(started), err)
	}
	return rows, nil
}

func (s *Store) Balance(account int) (int, error) {
	rows, err := s.query("balance", `SELECT coalesce(sum(amount), 0) FROM transfers WHERE account = $1`, account)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	var balance int
	for rows.Next() {
		if err := rows.Scan(&balance); err != nil {
			return 0, err
		}
	}
	return balance, rows.Err()
}

func (s *Store) Transfers(account int) ([]Transfer, error) {
	rows, err := s.query("transfers", `SELECT id, amount, note FROM transfers WHERE account = $1 ORDER BY id`, account)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var transfers []Transfer
	for rows.Next() {
		var t Transfer
		if err := rows.Scan(&t.ID, &t.Amount, &t.Note); err != nil {
			return nil, err
		}
		transfers = append(transfers, t)
	}
	return transfers, rows.Err()
}

// FirstOverdue is the oldest invoice of the account that is large enough to send a reminder for.
func (s *Store) FirstOverdue(account int) (Invoice, error) {
	rows, err := s.query("overdue", `SELECT id, amount, text FROM invoices WHERE account = $1 ORDER BY id`, account%40) // LEAK[used,borrowed]: ledger-rows
	if err != nil {
		return Invoice{}, err
	}
	var invoice Invoice
	for rows.Next() {
		if err := rows.Scan(&invoice.ID, &invoice.Amount, &invoice.Text); err != nil {
			rows.Close()
			return Invoice{}, err
		}
		if invoice.Amount >= 100 {
			if s.fixed {
				rows.Close()
			}
			return invoice, nil // the rows behind this one keep the connection busy for ever
		}
	}
	if err := rows.Err(); err != nil {
		return Invoice{}, err
	}
	return Invoice{}, ErrNone
}
