package tra.interop;

import eu.europa.esig.dss.model.FileDocument;
import eu.europa.esig.dss.simplereport.SimpleReport;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.operator.jcajce.JcaDigestCalculatorProviderBuilder;
import org.bouncycastle.tsp.ers.ERSByteData;
import org.bouncycastle.tsp.ers.ERSEvidenceRecord;

/** RFC 4998 evidence records of one file each, read by BouncyCastle and by DSS. */
final class RecordCheck {
    private final SealCheck dss;

    RecordCheck(SealCheck dss) {
        this.dss = dss;
    }

    Map<String, Object> check(Main.Job job) throws Exception {
        Map<String, Object> said = new LinkedHashMap<>();
        said.put("bouncycastle", bouncyCastle(Path.of(job.file()), Path.of(job.data())));
        said.put("dss", dss(job));
        return said;
    }

    /** "ok", or what BouncyCastle threw: is the data in the record, does its newest stamp hold? */
    private static String bouncyCastle(Path file, Path data) throws Exception {
        try {
            ERSEvidenceRecord record =
                    new ERSEvidenceRecord(
                            Files.readAllBytes(file),
                            new JcaDigestCalculatorProviderBuilder().build());
            record.validatePresent(new ERSByteData(Files.readAllBytes(data)), new Date());
            record.validate(
                    new JcaSimpleSignerInfoVerifierBuilder().build(record.getSigningCertificate()));
            return "ok";
        } catch (Exception refused) {
            return refused.toString();
        }
    }

    private List<Map<String, Object>> dss(Main.Job job) throws Exception {
        SimpleReport report = dss.validate(job, List.of(new FileDocument(job.data())));
        return report.getEvidenceRecordIdList().stream()
                .map(id -> SealCheck.token(report, id))
                .toList();
    }
}
