package main

import (
	"context"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	mongooptions "go.mongodb.org/mongo-driver/mongo/options"
)

func fillMongo1(k *keeper) func() {
	options := mongooptions.Client().ApplyURI("mongodb://" + k.listen(serveMongo(k)) +
		"/?directConnection=true&maxPoolSize=20")
	client, err := mongo.Connect(context.Background(), options)
	must(err)
	ping := func(name string) {
		command := bson.D{{Key: "ping", Value: 1}, {Key: "comment", Value: name}}
		must(client.Database("d").RunCommand(context.Background(), command).Err())
	}
	k.ask(ping)
	return func() { ping("x") }
}

func init() { kinds = append(kinds, kind{"mongo1", fillMongo1}) }
