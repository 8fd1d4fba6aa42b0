module docker-app

go 1.25
