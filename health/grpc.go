package health

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// grpcPath is the method every gRPC server with health checks has. Its messages have one field each, so
// they are written and read here by hand.
const grpcPath = "/grpc.health.v1.Health/Check"

// grpcRequest asks about the service of a check.
func grpcRequest(ctx context.Context, c check, agent string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.scheme+"://"+c.addr+grpcPath, bytes.NewReader(grpcQuestion(*c.grpc)))
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", c.addr, err)
	}
	req.Header = http.Header{
		"Content-Type": {"application/grpc"}, "Te": {"trailers"}, "User-Agent": {agent},
		"Grpc-Timeout": {strconv.FormatInt(max(c.timeout.Milliseconds(), 1), 10) + "m"},
	}
	return req, nil
}

// grpcQuestion is HealthCheckRequest{service} in its frame.
func grpcQuestion(service string) []byte {
	var message []byte
	if service != "" {
		message = protowire.AppendTag(message, 1, protowire.BytesType)
		message = protowire.AppendString(message, service)
	}
	frame := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))) //nolint:gosec // a name of the file
	return append(frame, message...)
}

// grpcVerdict reads an answer to its end, which is where its status stands. It waits for that no longer
// than its context lets it.
func grpcVerdict(resp *http.Response, c check) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return explain(err, c)
	}
	switch status := grpcStatus(resp); {
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("gRPC health check: HTTP status %d", resp.StatusCode)
	case status == "5":
		return fmt.Errorf("the target knows no gRPC service %q", *c.grpc)
	case status == "12":
		return errors.New("the target has no gRPC health service")
	case status == "":
		return errors.New("gRPC health check: no status")
	case status != "0":
		return fmt.Errorf("gRPC health check: status %s", printable(status))
	}
	serving, err := grpcServing(body)
	switch {
	case err != nil:
		return fmt.Errorf("gRPC health check: %w", err)
	case serving == 1:
		return nil
	}
	return fmt.Errorf("gRPC health check: %s", servingName(serving))
}

// grpcStatus is in the trailers, or in the head of an answer that has nothing else.
func grpcStatus(resp *http.Response) string {
	if s := resp.Trailer.Get("Grpc-Status"); s != "" {
		return s
	}
	return resp.Header.Get("Grpc-Status")
}

var errMessage = errors.New("the answer cannot be read")

// grpcServing is HealthCheckResponse.status of one frame; a field that is not there is 0.
func grpcServing(frame []byte) (uint64, error) {
	if len(frame) < 5 || frame[0] != 0 || int64(binary.BigEndian.Uint32(frame[1:5])) != int64(len(frame)-5) {
		return 0, errMessage
	}
	var status uint64
	for message := frame[5:]; len(message) > 0; {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return 0, errMessage
		}
		message = message[n:]
		if number == 1 && kind == protowire.VarintType {
			status, n = protowire.ConsumeVarint(message)
		} else {
			n = protowire.ConsumeFieldValue(number, kind, message)
		}
		if n < 0 {
			return 0, errMessage
		}
		message = message[n:]
	}
	return status, nil
}

func servingName(status uint64) string {
	names := []string{"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"}
	if status < uint64(len(names)) {
		return names[status]
	}
	return fmt.Sprintf("serving status %d", status)
}
