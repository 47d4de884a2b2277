package carrier

import (
	"context"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

type pricing interface {
	Quote(context.Context, *wrapperspb.StringValue) (*wrapperspb.StringValue, error)
}

type tariff struct{}

// Quote prices a load; nobody takes an oversize one from strangers.
func (tariff) Quote(_ context.Context, load *wrapperspb.StringValue) (*wrapperspb.StringValue, error) {
	if strings.HasPrefix(load.GetValue(), "oversize") {
		return wrapperspb.String("refused"), nil
	}
	return wrapperspb.String("129.00"), nil
}

// NewServer returns a carrier's service.
func NewServer(credentials Credentials) *grpc.Server {
	server := grpc.NewServer(grpc.Creds(credentials))
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "freight.Carrier",
		HandlerType: (*pricing)(nil),
		Methods: []grpc.MethodDesc{{
			MethodName: "Quote",
			Handler: func(service any, ctx context.Context, decode func(any) error,
				_ grpc.UnaryServerInterceptor) (any, error) {
				load := new(wrapperspb.StringValue)
				if err := decode(load); err != nil {
					return nil, err
				}
				return service.(pricing).Quote(ctx, load)
			},
		}},
	}, tariff{})
	return server
}
