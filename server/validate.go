package server

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"
)

// validator refuses requests that do not fit the document. The generated code
// decodes what the validator has checked, not what was sent.
type validator struct {
	operations map[string]*operation // by method and echo's path
	methods    map[string][]string   // by echo's path
	order      map[*openapi3.Schema]map[string]int
}

// operation is one operation of the document.
type operation struct {
	id     string // as the document names it
	path   string // as the document has it
	public bool
	keyed  bool                        // takes an Idempotency-Key
	params map[string]*openapi3.Schema // of the path
	query  *openapi3.Schema            // of an object with the query's parameters; nil if it takes none
	body   *openapi3.Schema            // nil if it takes none
	rules  []rule
	before precondition
}

// ruledSchemas are those of which the document tells more than is checked by it:
// the rules word what is wrong with their values.
var ruledSchemas = map[string]*openapi3.Schema{
	"#/components/schemas/Skill":      {Nullable: true},
	"#/components/schemas/McpServer":  {Nullable: true},
	"#/components/schemas/Networking": {Type: &openapi3.Types{openapi3.TypeObject}},
}

var braces = regexp.MustCompile(`\{([^}]+)\}`)

// newValidator reads the document. It is relabelled 3.0.3 in memory: for a 3.1
// document kin-openapi compiles a JSON Schema per request and words its errors in
// two ways, and its own validator knows everything that the document uses.
func newValidator(document []byte, rules map[string][]rule, before map[string]precondition) (*validator, error) {
	loader := openapi3.NewLoader()
	loader.IncludeOrigin = true
	doc, err := loader.LoadFromData(document)
	if err != nil {
		return nil, fmt.Errorf("read the API document: %w", err)
	}
	doc.OpenAPI = "3.0.3"
	v := &validator{operations: map[string]*operation{}, methods: map[string][]string{}, order: map[*openapi3.Schema]map[string]int{}}
	for written, item := range doc.Paths.Map() {
		path := braces.ReplaceAllString(written, ":$1")
		for method, o := range item.Operations() {
			op := &operation{
				id:     o.OperationID,
				path:   written,
				public: o.Security != nil && len(*o.Security) == 0,
				params: map[string]*openapi3.Schema{},
				rules:  rules[o.OperationID],
				before: before[o.OperationID],
			}
			for _, p := range slices.Concat(item.Parameters, o.Parameters) {
				switch name, schema := p.Value.Name, p.Value.Schema; {
				case p.Value.In == openapi3.ParameterInPath:
					op.params[name] = schema.Value
				case p.Value.In == openapi3.ParameterInQuery:
					v.addQuery(op, name, schema)
				case name == headerKey:
					op.keyed = true
				}
			}
			if o.RequestBody != nil {
				op.body = o.RequestBody.Value.Content.Get(echo.MIMEApplicationJSON).Schema.Value
				if err := o.RequestBody.Value.Content.Get(echo.MIMEApplicationJSON).Schema.WalkSubtree(v.visit); err != nil {
					return nil, fmt.Errorf("read the API document: %w", err)
				}
			}
			v.operations[method+" "+path] = op
			v.methods[path] = append(v.methods[path], method)
		}
	}
	for _, methods := range v.methods {
		slices.Sort(methods)
	}
	return v, nil
}

// visit prepares a schema of a request: it notes in which order the document
// lists its properties, and leaves to the rules what is theirs.
func (v *validator) visit(_ string, ref *openapi3.SchemaRef) error {
	if form := ruledSchemas[ref.Ref]; form != nil {
		ref.Value = form
		return nil
	}
	names := make([]string, 0, len(ref.Value.Properties))
	for name := range ref.Value.Properties {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		x, y := place(ref.Value.Properties[a]), place(ref.Value.Properties[b])
		return cmp.Or(cmp.Compare(x.Line, y.Line), cmp.Compare(x.Column, y.Column))
	})
	v.order[ref.Value] = make(map[string]int, len(names))
	for i, name := range names {
		v.order[ref.Value][name] = i
	}
	return nil
}

func place(ref *openapi3.SchemaRef) openapi3.Location {
	for _, origin := range []*openapi3.Origin{ref.Origin, ref.Value.Origin} {
		if origin != nil && origin.Key != nil {
			return *origin.Key
		}
	}
	return openapi3.Location{}
}

// addQuery makes a parameter a property of the operation's query.
func (v *validator) addQuery(op *operation, name string, schema *openapi3.SchemaRef) {
	if op.query == nil {
		op.query = openapi3.NewObjectSchema()
		v.order[op.query] = map[string]int{}
	}
	v.order[op.query][name] = len(v.order[op.query])
	op.query.WithPropertyRef(name, schema)
}

// coerce makes integers of the fields that should be some and are meant to be.
func coerce(s *openapi3.Schema, fields map[string]any) {
	for name, p := range s.Properties {
		if field, given := fields[name]; given && p.Value.Type.Includes(openapi3.TypeInteger) {
			fields[name] = integer(field)
		}
	}
}

// operation returns the operation that echo has routed a request to.
func (v *validator) operation(c echo.Context) *operation {
	return v.operations[c.Request().Method+" "+c.Path()]
}

// allowed returns the methods that the document has for the path of a request; none
// if it has no such path.
func (v *validator) allowed(c echo.Context) []string {
	methods := v.methods[c.Path()]
	if len(methods) == 0 {
		return nil
	}
	params := v.operations[methods[0]+" "+c.Path()].params
	given := strings.Split(c.Request().URL.Path, "/") // echo has no parameters where it has no method
	for i, step := range strings.Split(c.Path(), "/") {
		name, isParam := strings.CutPrefix(step, ":")
		if isParam && (i >= len(given) || params[name].VisitJSON(given[i]) != nil) {
			return nil
		}
	}
	return methods
}

// middleware lets only requests through that fit the document.
func (v *validator) middleware(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		op := v.operation(c)
		if op.before != nil {
			if err := op.before(c); err != nil {
				return err
			}
		}
		if op.query != nil {
			query, err := v.checkQuery(op, c.Request().URL.RawQuery)
			if err != nil {
				return err
			}
			c.Request().URL.RawQuery = query
		}
		if op.body == nil {
			return next(c)
		}
		text, err := read(c)
		if err != nil {
			return err
		}
		checked, err := v.check(op, text)
		if err != nil {
			return err
		}
		c.Request().Body = io.NopCloser(bytes.NewReader(checked))
		c.Request().ContentLength = int64(len(checked))
		c.Request().Header.Set(echo.HeaderContentType, echo.MIMEApplicationJSON) // whatever the client says
		return next(c)
	}
}

// check returns the body as the validator has understood it, or why it is refused.
func (v *validator) check(op *operation, text []byte) ([]byte, error) {
	value, err := decode(text)
	if err != nil {
		return nil, err
	}
	fields, isObject := value.(map[string]any)
	if !isObject {
		return nil, &invalid{[]problem{redact(problem{Type: "model_type", Loc: []any{}, Msg: "Input should be a valid dictionary", Input: value})}}
	}
	coerce(op.body, fields)
	keepExact(op.body, fields)
	if found := v.examine(op.body, fields, op.rules); len(found) > 0 {
		return nil, &invalid{found}
	}
	return json.Marshal(value)
}

// examine returns all that is wrong with an object, in the order of the document.
func (v *validator) examine(s *openapi3.Schema, fields map[string]any, rules []rule) []problem {
	var found []problem
	if err := s.VisitJSON(fields, openapi3.MultiErrors(), openapi3.VisitAsRequest()); err != nil {
		found = problems(err)
	}
	for i := range found {
		v.rank(s, fields, found[i].Loc) // turns list positions into numbers
	}
	for _, check := range rules {
		found = append(found, check(fields, sound(found))...)
	}
	slices.SortStableFunc(found, func(a, b problem) int {
		return slices.Compare(v.rank(s, fields, a.Loc), v.rank(s, fields, b.Loc))
	})
	for i := range found {
		found[i] = redact(found[i])
	}
	return found
}

// sound returns a function that tells whether nothing has been found wrong so far
// with the value at loc.
func sound(found []problem) func(loc ...any) bool {
	return func(loc ...any) bool {
		return !slices.ContainsFunc(found, func(p problem) bool {
			return len(p.Loc) >= len(loc) && slices.Equal(p.Loc[:len(loc)], loc)
		})
	}
}

// keepExact drops fields that encoding/json would take for others, since it does
// not care for case.
func keepExact(s *openapi3.Schema, value any) {
	switch v := value.(type) {
	case map[string]any:
		for name, inner := range v {
			if p := s.Properties[name]; p != nil {
				keepExact(p.Value, inner)
				continue
			}
			for known := range s.Properties {
				if strings.EqualFold(known, name) {
					delete(v, name)
				}
			}
		}
	case []any:
		if s.Items != nil {
			for _, item := range v {
				keepExact(s.Items.Value, item)
			}
		}
	}
}

// rank says where in the document loc is, and turns the list positions in it
// into numbers.
func (v *validator) rank(s *openapi3.Schema, at any, loc []any) []int {
	ranks := make([]int, 0, len(loc))
	for i, step := range loc {
		if list, ok := at.([]any); ok {
			n, isInt := step.(int)
			if !isInt {
				n, _ = strconv.Atoi(fmt.Sprint(step)) // a JSON pointer into a list: digits
			}
			loc[i], at = n, nil
			ranks = append(ranks, n)
			if n < len(list) {
				at = list[n]
			}
			items := s.Items
			if s = (&openapi3.Schema{}); items != nil {
				s = items.Value
			}
			continue
		}
		name := fmt.Sprint(step)
		object, _ := at.(map[string]any)
		at = object[name]
		rank, known := v.order[s][name]
		if !known {
			rank = len(v.order[s])
		}
		ranks = append(ranks, rank)
		if p := s.Properties[name]; p != nil {
			s = p.Value
		} else {
			s = &openapi3.Schema{}
		}
	}
	return ranks
}
