package aod

import (
	"iter"
	"net/http"
)

// pageSize is how many rows are asked for at once.
const pageSize = 100

// page is a page of any list.
type page[T any] struct {
	Data []T     `json:"data"`
	Next *string `json:"next_cursor"`
}

// pages yields the rows of a list, page by page.
func pages[T any](limit *int, ask func(limit *int, cursor *string) (*http.Response, error)) iter.Seq2[T, error] {
	if limit == nil {
		limit = new(pageSize)
	}
	return func(yield func(T, error) bool) {
		for cursor := (*string)(nil); ; {
			p, err := decode[page[T]](ask(limit, cursor))
			if err != nil {
				yield(*new(T), err)
				return
			}
			for _, row := range p.Data {
				if !yield(row, nil) {
					return
				}
			}
			if cursor = p.Next; cursor == nil {
				return
			}
		}
	}
}

// data reads a list that comes in one piece.
func data[T any](answer *http.Response, err error) ([]T, error) {
	p, err := decode[page[T]](answer, err)
	if err != nil {
		return nil, err
	}
	return p.Data, nil
}
