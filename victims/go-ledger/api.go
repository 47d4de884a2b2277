package main

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"

	"shop.test/victims/go-ledger/store"
)

func routes(s *store.Store) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /balance/{account}", handle(func(account int) (any, error) { return s.Balance(account) }))
	mux.HandleFunc("GET /transfers/{account}", handle(func(account int) (any, error) { return s.Transfers(account) }))
	mux.HandleFunc("GET /overdue/{account}", handle(func(account int) (any, error) { return s.FirstOverdue(account) }))
	return mux
}

// handle reads the account number, asks, and writes the answer as JSON.
func handle(ask func(account int) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		account, err := strconv.Atoi(r.PathValue("account"))
		if err != nil {
			http.Error(w, "no such account", http.StatusBadRequest)
			return
		}
		answer, err := ask(account)
		switch {
		case errors.Is(err, store.ErrNone):
			http.NotFound(w, r)
		case err != nil:
			slog.Error("request failed", "path", r.URL.Path, "err", err)
			http.Error(w, "try again", http.StatusInternalServerError)
		default:
			json.NewEncoder(w).Encode(answer)
		}
	}
}
