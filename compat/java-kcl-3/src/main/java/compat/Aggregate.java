package compat;

import com.google.protobuf.ByteString;
import java.io.ByteArrayOutputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.List;
import software.amazon.kinesis.retrieval.kpl.Messages.AggregatedRecord;
import software.amazon.kinesis.retrieval.kpl.Messages.Record;

/** The KPL's aggregated record: four bytes that mark it, its message, the message's MD5. */
final class Aggregate {
    private static final byte[] MAGIC = {(byte) 0xF3, (byte) 0x89, (byte) 0x9A, (byte) 0xC2};

    private Aggregate() {}

    /** One of {@code texts}, each for the shard that has {@code hash}: the KCL drops what lies in another's part. */
    static byte[] of(List<String> texts, String hash) {
        AggregatedRecord.Builder message = AggregatedRecord.newBuilder()
            .addPartitionKeyTable("aggregated").addExplicitHashKeyTable(hash);
        for (String text : texts) {
            message.addRecords(Record.newBuilder().setPartitionKeyIndex(0).setExplicitHashKeyIndex(0)
                .setData(ByteString.copyFromUtf8(text)));
        }
        byte[] body = message.build().toByteArray();
        ByteArrayOutputStream whole = new ByteArrayOutputStream();
        whole.writeBytes(MAGIC);
        whole.writeBytes(body);
        try {
            whole.writeBytes(MessageDigest.getInstance("MD5").digest(body));
        } catch (NoSuchAlgorithmException missing) {
            throw new IllegalStateException(missing);
        }
        return whole.toByteArray();
    }
}
