// Package catalog reads items and the offers for them.
package catalog

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

type Offer struct {
	Price, Stock int
	Seller       string
}

type Repository struct {
	pool  *pgxpool.Pool
	fixed bool
}

func NewRepository(pool *pgxpool.Pool, fixed bool) *Repository {
	return &Repository{pool: pool, fixed: fixed}
}

func (r *Repository) offers(ctx context.Context, item int, order string) (pgx.Rows, error) {
	return r.fetch(ctx, "SELECT price, stock, seller FROM offers WHERE item = $1 ORDER BY "+order, item)
}

func (r *Repository) fetch(ctx context.Context, statement string, arguments ...any) (pgx.Rows, error) {
	rows, err := r.pool.Query(ctx, statement, arguments...)
	if err != nil {
		return nil, fmt.Errorf("catalog: %w", err)
	}
	return rows, nil
}

// Offers are all offers for the item.
func (r *Repository) Offers(ctx context.Context, item int) ([]Offer, error) {
	rows, err := r.offers(ctx, item, "seller")
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Offer])
}

// Stock is what all sellers hold of the item together.
func (r *Repository) Stock(ctx context.Context, item int) (int, error) {
	rows, err := r.fetch(ctx, "SELECT coalesce(sum(stock), 0) FROM offers WHERE item = $1", item)
	if err != nil {
		return 0, err
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowTo[int])
}

// Cheapest is the offer with the lowest price, if anybody sells the item.
func (r *Repository) Cheapest(ctx context.Context, item int) (Offer, bool, error) {
	rows, err := r.offers(ctx, item, "price") // LEAK[used,borrowed]: catalog-rows
	if err != nil {
		return Offer{}, false, err
	}
	if r.fixed {
		defer rows.Close()
	}
	var offer Offer
	if !rows.Next() {
		return offer, false, rows.Err()
	}
	if err := rows.Scan(&offer.Price, &offer.Stock, &offer.Seller); err != nil {
		rows.Close()
		return offer, false, err
	}
	return offer, true, nil // one row was enough, and nobody tells pgx
}
