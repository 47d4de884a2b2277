package main

import (
	"context"

	"shop.test/victims/go-catalog/catalog"
)

type worker struct {
	repository *catalog.Repository
	promoted   int
}

func (w *worker) reprice(ctx context.Context, item int) error {
	offers, err := w.repository.Offers(ctx, item)
	if err != nil {
		return err
	}
	lowest := 0
	for _, offer := range offers {
		if lowest == 0 || offer.Price < lowest {
			lowest = offer.Price
		}
	}
	return nil
}

func (w *worker) restock(ctx context.Context, item int) error {
	_, err := w.repository.Stock(ctx, item)
	return err
}

func (w *worker) promote(ctx context.Context, item int) error {
	offer, found, err := w.repository.Cheapest(ctx, item)
	if err == nil && found && offer.Stock > 0 {
		w.promoted++
	}
	return err
}
