module bucket

go 1.25.0

require github.com/minio/minio-go/v7 v7.0.95
