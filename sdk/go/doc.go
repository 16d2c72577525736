// Package aod is the Go client of Agent on Demand.
//
// A call that may be made again is made again when the connection breaks or the server
// is not there for a moment; whatever creates or prompts carries an Idempotency-Key, so
// it is done once. What the server refuses is an *Error, which errors.Is compares with
// ErrNotFound and its like. Follow shows each event of a session once and in order,
// whatever happens to the connections.
//
//	client, err := aod.New("", "") // AOD_API_URL, AOD_API_TOKEN
//	agent, err := client.Agents.Create(ctx, aod.AgentCreate{Name: "hello", Runtime: new("shell")})
//	session, err := client.Sessions.Create(ctx, aod.SessionCreate{AgentID: agent.ID, Prompt: "echo hello"})
//	for event, err := range client.Sessions.Follow(ctx, session.ID, 0) {
//		if err != nil {
//			return err
//		}
//		if event.Type == aod.EventOutput {
//			fmt.Print(event.Data)
//		}
//	}
package aod
