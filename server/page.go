package server

import (
	"github.com/oapi-codegen/nullable"

	"github.com/agent-on-demand/aod/store"
)

// pageOf is the part of a list that a request asks for.
func pageOf(limit *int, cursor *string) (store.Page, error) {
	if limit == nil && cursor != nil {
		return store.Page{}, &invalid{[]problem{ruled(*cursor, "cursor needs limit", "query", "cursor")}}
	}
	if cursor != nil && *cursor == "" {
		return store.Page{}, store.ErrCursor
	}
	return store.Page{Limit: value(limit), Cursor: value(cursor)}, nil
}

// more is what the envelope of a page says of the next one; that of a whole list
// says nothing.
func more[T any](page store.Page, list *store.List[T]) (hasMore *bool, next nullable.Nullable[string]) {
	if page.Limit == 0 {
		return nil, nil
	}
	has := list.Next != ""
	if !has {
		return &has, nullable.NewNullNullable[string]()
	}
	return &has, nullable.NewNullableWithValue(list.Next)
}
